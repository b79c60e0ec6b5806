"""What the cards do, as exporters tell it: never what was sold or billed, which is the scheduler's to say."""
