//! Promises of the session that are about time or about who waits for whom, each as a schedule that is
//! written out, in virtual time. What holds in every schedule is for the simulation.

mod acknowledging;
mod bench;
mod connecting;
mod ending;
mod health;
mod own_requests;
mod publishing;
mod reading;
