//! Stages that are components.
