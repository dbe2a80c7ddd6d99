mod kernel;
mod lanes;
mod rational;
