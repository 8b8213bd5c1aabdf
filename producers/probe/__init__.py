"""What a host says of itself: psutil, and NVML where there is a GPU."""
