"""What people are told of, on the pages and by mail, each with its reason and a link."""
