mod analysis;
mod report;
