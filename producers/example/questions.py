"""What the example agent asks itself, over and over. Left out of what it searches: it would find the question."""

QUESTIONS = (
    "Which partition does an event go to?",
    "How many lines do the .py files have?",
    "What happens when the broker is away?",
    "What does the word heartbeat stand for?",
    "Who may import what?",
    "What is the one rule about personal data in an answer?",
    "How does the lake writer know which offsets are in a file?",
    "What does docs/roadmap.md say?",
    "How are event ids made?",
    "How often does the word murmur2 occur?",
    "What is a dead letter?",
)
