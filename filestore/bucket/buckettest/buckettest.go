// Package buckettest finds the servers that tests have for Google Cloud Storage and Azure Blob, and makes a bucket
// there. Both servers have a day of a week in the tests: a test is skipped where there is none.
package buckettest

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

const name = "stoa-test"

// GCS gives the address of the server of STOA_TEST_GCS and a bucket in it.
func GCS(t testing.TB) (address, bucket string) {
	t.Helper()
	address = variable(t, "STOA_TEST_GCS")
	r, err := http.Post(address+"/storage/v1/b?project=test", "application/json", strings.NewReader(`{"name":"`+name+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if r.StatusCode != http.StatusOK && r.StatusCode != http.StatusConflict {
		t.Fatalf("the server at %s makes no bucket: %s", address, r.Status)
	}
	return address, name
}

// Azure gives the connection string of STOA_TEST_AZURE and a container there.
func Azure(t testing.TB) (connection, bucket string) {
	t.Helper()
	connection = variable(t, "STOA_TEST_AZURE")
	c, err := container.NewClientFromConnectionString(connection, name, nil)
	if err == nil {
		_, err = c.Create(t.Context(), nil)
	}
	if err != nil && !bloberror.HasCode(err, bloberror.ContainerAlreadyExists) {
		t.Fatal(err)
	}
	return connection, name
}

func variable(t testing.TB, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		t.Skip(name + " names no server")
	}
	return v
}
