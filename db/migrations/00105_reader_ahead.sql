-- expand
-- What a durable reader has read above n, as "head:gap,gap"; NULL is nothing. n alone is what holds pruning back, so
-- the binary from before needs no more.
ALTER TABLE change_reader ADD COLUMN ahead {{text}};
