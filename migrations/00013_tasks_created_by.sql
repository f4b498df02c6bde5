-- +goose NO TRANSACTION
-- +goose Up

-- Lists of one person's tasks are read off tasks_created_by_done. Servers of the version
-- before the last one sort such a list instead: slower, and the same.
DROP INDEX CONCURRENTLY IF EXISTS tasks_created_by;
