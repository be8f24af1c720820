-- Who handed a request over, instead of how far he was believed: that is the configuration's to say, for
-- each resource of the request.
ALTER TABLE redo RENAME COLUMN trust TO listener;
UPDATE redo SET listener = 'grpc';
ALTER TABLE redo ADD COLUMN client TEXT NOT NULL DEFAULT ''; -- name in the sender's certificate
