package bucket

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"gocloud.dev/blob"

	"github.com/stoa-portal/stoa/filestore"
)

// Remove deletes an object, whatever it is.
func (s *Store) Remove(ctx context.Context, object string) error { return s.remove(ctx, object) }

// Left gives what is below the prefix beside files and the identity.
func (s *Store) Left(ctx context.Context) (names []string, err error) {
	for all := s.bucket.List(&blob.ListOptions{Prefix: s.o.Prefix}); ; {
		o, err := all.Next(ctx)
		if err == io.EOF {
			return names, nil
		}
		if err != nil {
			return names, err
		}
		if !strings.HasPrefix(o.Key, s.object("")) && o.Key != s.identityObject() {
			names = append(names, o.Key)
		}
	}
}

// Discreet gives what is shown of an error.
func Discreet(err error) string { return discreet(err).Error() }

// GoogleToken gives a token for the key of a service account, or of the usual places for an empty one.
func GoogleToken(key string) (string, error) {
	s, err := googleTokens(key, http.DefaultClient)
	if err != nil {
		return "", err
	}
	t, err := s.Token()
	if err != nil {
		return "", err
	}
	return t.AccessToken, nil
}

// AzureToken gives a token of who the process is at Azure.
func AzureToken(ctx context.Context, scope string) (string, error) {
	t, err := azureIdentity(filestore.NewTransport(time.Second), time.Second).GetToken(ctx,
		policy.TokenRequestOptions{Scopes: []string{scope}})
	return t.Token, err
}

// AzureKnowsNoAccount reports whether an error is taken for one of accounts.
func AzureKnowsNoAccount(err error) bool { return new(azure).answer(err).what == unknown }
