"""What an admin sees and changes of the doors: settings, retention, keys."""
