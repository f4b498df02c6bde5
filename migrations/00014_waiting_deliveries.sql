-- +goose NO TRANSACTION
-- +goose Up

-- A delivery that waits for something else is pending with waits set, and only a pending one
-- waits. Servers before migration 00008 wrote it as the first words of the error instead: such
-- rows become like the others. Each statement is a transaction of its own, because a server
-- that writes a delivery may be waited for, and may be repeated.
ALTER TABLE inbox_deliveries DROP CONSTRAINT IF EXISTS inbox_deliveries_waits;
ALTER TABLE inbox_deliveries
    ADD CONSTRAINT inbox_deliveries_waits CHECK (NOT waits OR state = 'pending') NOT VALID;

UPDATE inbox_deliveries
   SET waits = false
 WHERE waits AND state <> 'pending';

UPDATE inbox_deliveries
   SET waits = true, last_error = substr(last_error, length('not yet: ') + 1)
 WHERE state = 'pending' AND starts_with(last_error, 'not yet: ');

ALTER TABLE inbox_deliveries VALIDATE CONSTRAINT inbox_deliveries_waits;
