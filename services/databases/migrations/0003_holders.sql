-- Users that were made for something of the cloud ("app shop"): they go with it, and the database is not deleted while there are any.
alter table databases.users add column holder text;
