// Reads YAML documents from standard input into the very types of the controllers that will read them, and refuses every
// field that those don't have. One line for each document; exit code 1 where one is refused.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	helm "github.com/fluxcd/helm-controller/api/v2"
	kustomize "github.com/fluxcd/kustomize-controller/api/v1"
	source "github.com/fluxcd/source-controller/api/v1"
	k3s "github.com/k3s-io/helm-controller/pkg/apis/helm.cattle.io/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

type head struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
}

var types = map[head]func() any{
	{helm.GroupVersion.String(), "HelmRelease"}:        func() any { return &helm.HelmRelease{} },
	{kustomize.GroupVersion.String(), "Kustomization"}: func() any { return &kustomize.Kustomization{} },
	{source.GroupVersion.String(), "OCIRepository"}:    func() any { return &source.OCIRepository{} },
	{source.GroupVersion.String(), "GitRepository"}:    func() any { return &source.GitRepository{} },
	{"helm.cattle.io/v1", "HelmChart"}:                 func() any { return &k3s.HelmChart{} },
	{"helm.cattle.io/v1", "HelmChartConfig"}:           func() any { return &k3s.HelmChartConfig{} },
}

func main() {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(os.Stdin))
	code := 0
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			os.Exit(code)
		}
		if err == nil {
			err = check(document)
		}
		if err != nil {
			fmt.Println(err)
			code = 1
		}
	}
}

func check(document []byte) error {
	var found head
	if err := yaml.Unmarshal(document, &found); err != nil {
		return err
	}
	make, ok := types[found]
	if !ok {
		return fmt.Errorf("%s %s: no such type here", found.APIVersion, found.Kind)
	}
	if err := yaml.UnmarshalStrict(document, make()); err != nil {
		return fmt.Errorf("%s: %w", found.Kind, err)
	}
	fmt.Printf("%s is well\n", found.Kind)
	return nil
}
