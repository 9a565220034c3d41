//! Integrating, from outside: many packets at once, and what a conflict comes to.

mod batch;
mod bisect;
