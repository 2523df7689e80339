"""Values and lifts where units compare as they are: from moments, ranks or clusters, each method by name."""
