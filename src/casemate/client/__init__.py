"""A typed client of custodians: signs every request, believes no answer before it verified."""
