package check

import (
	"context"
	"fmt"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	podapi "k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/apps"
	appsvalidation "k8s.io/kubernetes/pkg/apis/apps/validation"
	"k8s.io/kubernetes/pkg/apis/core"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/apis/networking"
	networkingvalidation "k8s.io/kubernetes/pkg/apis/networking/validation"
	"k8s.io/kubernetes/pkg/apis/policy"
	policyvalidation "k8s.io/kubernetes/pkg/apis/policy/validation"
)

// Create says what the API server would, asked to create o; a warning counts.
func Create(ctx context.Context, o Object) error {
	in, err := internal(o)
	if err != nil {
		return err
	}
	var list field.ErrorList
	var warnings []string
	template := field.NewPath("spec", "template")
	switch in := in.(type) {
	case *apps.Deployment:
		list = appsvalidation.ValidateDeployment(in, podapi.GetValidationOptionsFromPodTemplate(&in.Spec.Template, nil))
		warnings = podapi.GetWarningsForPodTemplate(ctx, template, &in.Spec.Template, nil)
	case *apps.StatefulSet:
		list = appsvalidation.ValidateStatefulSet(in, appsvalidation.StatefulSetValidationOptions{},
			podapi.GetValidationOptionsFromPodTemplate(&in.Spec.Template, nil))
		warnings = podapi.GetWarningsForPodTemplate(ctx, template, &in.Spec.Template, nil)
	case *core.ConfigMap:
		list = corevalidation.ValidateConfigMap(in)
	case *core.Namespace:
		list = corevalidation.ValidateNamespace(in)
	case *core.Secret:
		list = corevalidation.ValidateSecret(in)
	case *core.Service:
		list = corevalidation.ValidateServiceCreate(in)
	case *networking.Ingress:
		list = networkingvalidation.ValidateIngressCreate(in)
	case *networking.NetworkPolicy:
		list = networkingvalidation.ValidateNetworkPolicy(in, networkingvalidation.NetworkPolicyValidationOptions{})
	case *policy.PodDisruptionBudget:
		list = policyvalidation.ValidatePodDisruptionBudget(in, policyvalidation.PodDisruptionBudgetValidationOptions{})
	default:
		return fmt.Errorf("%s: not a kind that is known here", title(o))
	}
	switch {
	case len(list) > 0:
		return fmt.Errorf("%s: %w", title(o), list.ToAggregate())
	case len(warnings) > 0:
		return fmt.Errorf("%s: the API server warns: %q", title(o), warnings)
	}
	return nil
}

// Update says what the API server would, asked to put o in the place of was: some
// fields cannot be changed.
func Update(o, was Object) error {
	after, err := internal(o)
	if err != nil {
		return err
	}
	before, err := internal(was)
	if err != nil {
		return err
	}
	if reflect.TypeOf(after) != reflect.TypeOf(before) {
		return fmt.Errorf("%s: is not what %s is", title(o), title(was))
	}
	var list field.ErrorList
	switch after := after.(type) {
	case *apps.Deployment:
		before := as[*apps.Deployment](before)
		list = appsvalidation.ValidateDeploymentUpdate(after, before,
			podapi.GetValidationOptionsFromPodTemplate(&after.Spec.Template, &before.Spec.Template))
	case *apps.StatefulSet:
		before := as[*apps.StatefulSet](before)
		list = appsvalidation.ValidateStatefulSetUpdate(after, before, appsvalidation.StatefulSetValidationOptions{},
			podapi.GetValidationOptionsFromPodTemplate(&after.Spec.Template, &before.Spec.Template))
	case *core.Service:
		list = corevalidation.ValidateServiceUpdate(after, as[*core.Service](before))
	case *core.ConfigMap:
		list = corevalidation.ValidateConfigMapUpdate(after, as[*core.ConfigMap](before))
	case *core.Secret:
		list = corevalidation.ValidateSecretUpdate(after, as[*core.Secret](before))
	}
	if len(list) > 0 {
		return fmt.Errorf("%s: %w", title(o), list.ToAggregate())
	}
	return nil
}

// as is o, which is known to be a T.
func as[T runtime.Object](o runtime.Object) T {
	t, _ := o.(T)
	return t
}

// internal is o with the API server's defaults, in the type that it validates.
func internal(o Object) (runtime.Object, error) {
	defaulted := o.DeepCopyObject()
	legacyscheme.Scheme.Default(defaulted)
	if s, ok := defaulted.(*corev1.Service); ok && s.Spec.ClusterIP != "" {
		s.Spec.ClusterIPs = []string{s.Spec.ClusterIP} // as the server's storage does
	}
	if o, ok := defaulted.(Object); ok {
		o.SetResourceVersion("1") // as if it had been there
	}
	return legacyscheme.Scheme.ConvertToVersion(defaulted, runtime.InternalGroupVersioner)
}
