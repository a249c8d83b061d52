/**
 * What `helm install` may be told: the one source of values.yaml, values.schema.json and the table in the chart's README
 * (`npm run chart` writes them). Where it can, it keeps the names that charts of the same kind have.
 */
import { z } from 'zod';
import { agentValues } from './values-agent.ts';
import { image, labels, object, objects, text } from './values-fields.ts';
import { operatorValues } from './values-operator.ts';

const crds = z
  .strictObject({
    enabled: z.boolean().default(true).describe('Install and upgrade the CRDs with the chart.'),
    keep: z
      .boolean()
      .default(true)
      .describe(
        'Leave the CRDs, and with them every HomeServer, CameraClient and TrustBundle, at uninstall.',
      ),
  })
  .describe('Custom resource definitions.');

const rbac = z
  .strictObject({
    create: z.boolean().default(true).describe('Make roles and bindings. Agents have none in any case.'),
    aggregate: z
      .boolean()
      .default(true)
      .describe("Add our kinds to the cluster's own roles view, edit and admin."),
  })
  .describe('Rights in the cluster.');

const networkPolicy = z
  .strictObject({
    enabled: z
      .boolean()
      .default(false)
      .describe(
        'Let the operator be reached at its two ports only. Agents are in the host network, where no policy counts.',
      ),
  })
  .describe('Network policy of the operator.');

const podMonitor = z
  .strictObject({
    enabled: z.boolean().default(false).describe('Needs the CRDs of the Prometheus operator.'),
    interval: text('30s').describe('How often each is asked.'),
    labels: labels().describe('What your Prometheus selects PodMonitors by, as `release: prometheus`.'),
  })
  .describe('PodMonitors of operator and agents.');

const prometheusRule = z
  .strictObject({
    enabled: z.boolean().default(false).describe('Needs the CRDs of the Prometheus operator.'),
    labels: labels().describe('What your Prometheus selects rules by.'),
    runbookUrl: text('docs/runbooks').describe(
      'Where the runbooks are: `runbook_url` is this and `/NAME.md`.',
    ),
  })
  .describe('Alerts, each with a runbook.');

const dashboard = z
  .strictObject({
    enabled: z
      .boolean()
      .default(false)
      .describe("Make the ConfigMap that Grafana's sidecar loads dashboards from."),
    labels: labels({ grafana_dashboard: '1' }).describe('What the sidecar selects ConfigMaps by.'),
    annotations: labels().describe('Such as the folder in Grafana.'),
  })
  .describe('Grafana dashboard.');

const test = z
  .strictObject({
    enabled: z.boolean().default(true).describe('Have the pod that `helm test` runs, and its rights.'),
    timeoutSeconds: z.int().min(10).max(3600).default(180).describe('What it may take in all.'),
  })
  .describe('`helm test`.');

/** The schema; its defaults are values.yaml. */
export const values = z.strictObject({
  global: z.looseObject({}).default({}).describe('Not used: there for charts that include this one.'),
  image,
  imagePullSecrets: objects().describe('As `[{name: my-registry}]`.'),
  commonLabels: labels().describe('Labels for every object.'),
  crds,
  rbac,
  operator: operatorValues,
  agent: agentValues,
  networkPolicy,
  podMonitor,
  prometheusRule,
  dashboard,
  test,
  extraObjects: z
    .array(z.union([z.string(), object()]))
    .default([])
    .describe('Further manifests, installed and removed with the chart; templates are rendered.'),
});
