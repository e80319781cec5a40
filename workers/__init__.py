"""Who runs it: workers in processes of their own."""
