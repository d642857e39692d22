// Run it with `go test -exec "rootlet runner" ./...`: each package's test binary runs in a fresh root, as sam.
package example

import (
	"errors"
	"io/fs"
	"os"
	"testing"
)

func TestMayNotWriteEtc(t *testing.T) {
	if err := os.WriteFile("/etc/motd", []byte("x"), 0o644); !errors.Is(err, fs.ErrPermission) {
		t.Fatalf("expected a refusal, got %v", err)
	}
}

func TestSeesItsProject(t *testing.T) {
	if _, err := os.Stat("go.mod"); err != nil {
		t.Fatal(err)
	}
}
