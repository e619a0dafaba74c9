//! The browser scraper, on a real Chromium: what each change of a page leads to, and what a tripwire shows.

mod evidence;
mod faults;
mod flow_files;
mod flows;
mod mail;
mod newcomer;
mod switches;
mod tools;
