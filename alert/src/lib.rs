//! Findings → incidents → messages to people.
