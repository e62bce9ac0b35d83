//! What the embedded broker does, seen from clients over TCP.

mod client;
mod delivery;
mod floods;
mod lifecycle;
mod limits;
mod logins;
mod retained;
mod sessions;
mod storage;
mod versions;
mod wills;
