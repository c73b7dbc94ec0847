package main

import (
	"log/slog"

	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/filestore/bucket"
	"github.com/stoa-portal/stoa/server"
)

// stores are the file stores of clouds, which no package but this one links.
func stores() server.Stores {
	return server.Stores{config.StoreGCS: openGCS, config.StoreAzure: openAzure}
}

func openGCS(c *config.Config, log *slog.Logger) (filestore.Driver, error) {
	s := c.Files.GCS
	d, err := bucket.OpenGCS(bucket.GCSOptions{Bucket: s.Bucket, Key: s.Key, AES256: s.AES256, Endpoint: s.Endpoint,
		Options: bucket.Options{Prefix: s.Prefix, Timeout: s.Timeout, Retries: s.Retries, Delay: s.Delay,
			MaxDelay: s.MaxDelay, Logger: log}})
	if err != nil {
		return nil, err // and no driver that is nil
	}
	return d, nil
}

func openAzure(c *config.Config, log *slog.Logger) (filestore.Driver, error) {
	s := c.Files.Azure
	d, err := bucket.OpenAzure(bucket.AzureOptions{Container: s.Container, Connection: s.Connection, Account: s.Account,
		Key: s.Key, Endpoint: s.Endpoint, Scope: s.Scope,
		Options: bucket.Options{Prefix: s.Prefix, Timeout: s.Timeout, Retries: s.Retries, Logger: log}})
	if err != nil {
		return nil, err
	}
	return d, nil
}
