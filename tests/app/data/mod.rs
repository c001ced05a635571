//! `mtpret data` on folders of films: what it finds, what it says, what it prints.

mod commands;
mod detected;
mod layouts;
mod unread;
