package check

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/apps/install" // the kinds that are known
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
)

// Object is one document, in the type of its version.
type Object interface {
	metav1.Object
	runtime.Object
}

// Manifest is what kubectl would send.
type Manifest struct{ Objects []Object }

// Read decodes documents as the API server does with fieldValidation=Strict: a
// field that is unknown or given twice is an error.
func Read(text []byte) (*Manifest, error) {
	var m Manifest
	decoder := json.NewSerializerWithOptions(json.DefaultMetaFactory, legacyscheme.Scheme, legacyscheme.Scheme,
		json.SerializerOptions{Yaml: true, Strict: true})
	for documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text))); ; {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return &m, nil
		} else if err != nil {
			return nil, err
		}
		decoded, _, err := decoder.Decode(document, nil, nil)
		if err != nil {
			return nil, fmt.Errorf("%w in\n%s", err, document)
		}
		o, ok := decoded.(Object)
		if !ok {
			return nil, fmt.Errorf("%T is not an object", decoded)
		}
		m.Objects = append(m.Objects, o)
	}
}

// All returns the objects of a type.
func All[T Object](m *Manifest) []T {
	var all []T
	for _, o := range m.Objects {
		if t, ok := o.(T); ok {
			all = append(all, t)
		}
	}
	return all
}

// Find returns the object of a type and name, or nil.
func Find[T Object](m *Manifest, name string) (found T) {
	for _, o := range All[T](m) {
		if o.GetName() == name {
			return o
		}
	}
	return found
}

// Workload makes pods.
type Workload struct {
	Name     string // "StatefulSet nats"
	Replicas int
	Pod      corev1.PodTemplateSpec
	Claims   []string // of volumes that each pod has of its own
}

// Workloads are those of m.
func (m *Manifest) Workloads() []Workload {
	var all []Workload
	for _, d := range All[*appsv1.Deployment](m) {
		all = append(all, Workload{Name: title(d), Replicas: replicas(d.Spec.Replicas), Pod: d.Spec.Template})
	}
	for _, s := range All[*appsv1.StatefulSet](m) {
		w := Workload{Name: title(s), Replicas: replicas(s.Spec.Replicas), Pod: s.Spec.Template}
		for i := range s.Spec.VolumeClaimTemplates {
			w.Claims = append(w.Claims, s.Spec.VolumeClaimTemplates[i].Name)
		}
		all = append(all, w)
	}
	return all
}

func replicas(n *int32) int {
	if n == nil {
		return 1
	}
	return int(*n)
}

// Containers are all of a pod's, those first that run before the others.
func (w *Workload) Containers() []corev1.Container {
	return slices.Concat(w.Pod.Spec.InitContainers, w.Pod.Spec.Containers)
}

func title(o Object) string {
	return o.GetObjectKind().GroupVersionKind().Kind + " " + o.GetName()
}
