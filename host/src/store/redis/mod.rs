//! Stores on Redis.
