package check

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// References says which names in m lead nowhere.
func References(m *Manifest) []string {
	var p problems
	workloads := m.Workloads()
	for _, w := range workloads {
		volumes(&p, m, &w)
	}
	for _, s := range All[*corev1.Service](m) {
		pods := selected(workloads, labels.SelectorFromSet(s.Spec.Selector))
		if len(pods) == 0 {
			p.add("Service %s: selects no pod", s.Name)
		}
		for _, port := range s.Spec.Ports {
			for _, w := range pods {
				if !w.listens(func(c corev1.ContainerPort) bool { return c.Name == port.TargetPort.StrVal }) {
					p.add("Service %s: %s has no port %s", s.Name, w.Name, port.TargetPort.String())
				}
			}
		}
	}
	for _, b := range All[*policyv1.PodDisruptionBudget](m) {
		if len(match(&p, "PodDisruptionBudget "+b.Name, workloads, b.Spec.Selector)) == 0 {
			p.add("PodDisruptionBudget %s: selects no pod", b.Name)
		}
	}
	for _, n := range All[*networkingv1.NetworkPolicy](m) {
		reach(&p, n, workloads)
	}
	return p
}

// volumes looks for what is mounted.
func volumes(p *problems, m *Manifest, w *Workload) {
	configMap := func(name string, optional *bool, items []corev1.KeyToPath) {
		if c := Find[*corev1.ConfigMap](m, name); c != nil {
			keys(p, w, "ConfigMap "+name, c.Data, items)
		} else if optional == nil || !*optional {
			p.add("%s: mounts the ConfigMap %s, which does not exist", w.Name, name)
		}
	}
	secret := func(name string, optional *bool, items []corev1.KeyToPath) {
		if s := Find[*corev1.Secret](m, name); s != nil {
			keys(p, w, "Secret "+name, s.Data, items)
		} else if optional == nil || !*optional {
			p.add("%s: mounts the Secret %s, which does not exist", w.Name, name)
		}
	}
	for _, v := range w.Pod.Spec.Volumes {
		if v.ConfigMap != nil {
			configMap(v.ConfigMap.Name, v.ConfigMap.Optional, v.ConfigMap.Items)
		}
		if v.Secret != nil {
			secret(v.Secret.SecretName, v.Secret.Optional, v.Secret.Items)
		}
		if v.Projected == nil {
			continue
		}
		for _, s := range v.Projected.Sources {
			if s.ConfigMap != nil {
				configMap(s.ConfigMap.Name, s.ConfigMap.Optional, s.ConfigMap.Items)
			}
			if s.Secret != nil {
				secret(s.Secret.Name, s.Secret.Optional, s.Secret.Items)
			}
		}
	}
}

func keys[V any](p *problems, w *Workload, name string, data map[string]V, items []corev1.KeyToPath) {
	for _, i := range items {
		if _, ok := data[i.Key]; !ok {
			p.add("%s: mounts the key %s of the %s, which does not exist", w.Name, i.Key, name)
		}
	}
}

// reach looks for the pods and ports of a policy.
func reach(p *problems, n *networkingv1.NetworkPolicy, workloads []Workload) {
	at := "NetworkPolicy " + n.Name
	pods := match(p, at, workloads, &n.Spec.PodSelector)
	if len(pods) == 0 {
		p.add("%s: selects no pod", at)
	}
	for _, in := range n.Spec.Ingress {
		open(p, at, pods, in.Ports)
		for _, from := range in.From {
			peers(p, at, workloads, from)
		}
	}
	for _, out := range n.Spec.Egress {
		for _, to := range out.To {
			if peers := peers(p, at, workloads, to); len(peers) > 0 {
				open(p, at, peers, out.Ports)
			}
		}
	}
}

// peers are the pods of m that a policy is about.
func peers(p *problems, at string, workloads []Workload, peer networkingv1.NetworkPolicyPeer) []Workload {
	if peer.PodSelector == nil || peer.NamespaceSelector != nil {
		return nil
	}
	pods := match(p, at, workloads, peer.PodSelector)
	if len(pods) == 0 {
		p.add("%s: a peer is not a pod", at)
	}
	return pods
}

// open looks whether a pod listens where a policy lets others in.
func open(p *problems, at string, pods []Workload, ports []networkingv1.NetworkPolicyPort) {
	for _, port := range ports {
		if !slices.ContainsFunc(pods, func(w Workload) bool {
			return w.listens(func(c corev1.ContainerPort) bool { return c.ContainerPort == port.Port.IntVal })
		}) {
			p.add("%s: nobody listens on %s", at, port.Port.String())
		}
	}
}

func (w *Workload) listens(is func(corev1.ContainerPort) bool) bool {
	return slices.ContainsFunc(w.Pod.Spec.Containers, func(c corev1.Container) bool {
		return slices.ContainsFunc(c.Ports, is)
	})
}

func match(p *problems, at string, workloads []Workload, s *metav1.LabelSelector) []Workload {
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		p.add("%s: %v", at, err)
		return nil
	}
	return selected(workloads, selector)
}

func selected(workloads []Workload, s labels.Selector) (pods []Workload) {
	for _, w := range workloads {
		if s.Matches(labels.Set(w.Pod.Labels)) {
			pods = append(pods, w)
		}
	}
	return pods
}

type problems []string

func (p *problems) add(format string, args ...any) { *p = append(*p, fmt.Sprintf(format, args...)) }
