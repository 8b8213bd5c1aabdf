"""Reports for people who have to prove something: compliance, as JSON, CSV and a page to print."""
