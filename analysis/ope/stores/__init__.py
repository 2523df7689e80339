"""From a log of ours to the draws that evaluation reads: which, from what they were drawn, and what they brought."""
