//! From the first start to the last answer, and through an outage.

mod outage;
mod start;
mod stop;
