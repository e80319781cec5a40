"""What a search found, as plain columns: importance of labels, and what each figure shows. Figures are in `figures`."""
