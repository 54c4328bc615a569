"""Which conversations are equal or nearly so, and which of them are trained on, watched and held out."""
