-- +goose Up

-- Both tables are locked first, in the order in which servers lock them: the other way
-- round, this and a server that writes a license and then its subscriptions would each
-- wait for the other.
LOCK TABLE licenses, subscriptions IN ACCESS EXCLUSIVE MODE;

-- amount is what a seat costs exactly, in the currency's smallest unit, with currency,
-- interval and interval_count; null where that is not known or not one amount. It is a
-- column of its own, not a wider unit_amount, because servers of the version before read
-- that one in statements that they have prepared.
ALTER TABLE subscriptions
    ADD COLUMN amount         bigint,
    ADD COLUMN interval_count integer NOT NULL DEFAULT 1,
    ADD CONSTRAINT subscriptions_amount CHECK (amount >= 0) NOT VALID,
    ADD CONSTRAINT subscriptions_interval_count CHECK (interval_count > 0) NOT VALID;

-- grace_next_time is when another time of grace may begin.
ALTER TABLE licenses
    ADD COLUMN grace_next_time timestamptz;
