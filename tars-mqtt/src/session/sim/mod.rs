//! The session against a broker, a network, handlers and a program that do whatever they may, in
//! virtual time. One number decides everything: see `docs/simulation.md`.

mod asking;
mod broker;
mod deliver;
mod disk;
mod footprint;
mod found;
mod invariants;
mod process;
mod run;
mod settle;
mod step;
mod world;
