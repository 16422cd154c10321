"""What an NFV MANO system knows: identifiers, instances, operation occurrences and their state machines."""
