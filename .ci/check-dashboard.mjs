// Holds the dashboard to the types that Grafana publishes of the version that
// deploy/compose.monitoring.yml runs: node .ci/check-dashboard.mjs NODE_MODULES
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const modules = process.argv[2];
const require = createRequire(modules + '/');
const { createGenerator } = require('ts-json-schema-generator');
const Ajv = require('ajv').default;
const read = (file) => JSON.parse(readFileSync(file, 'utf8'));

const types = modules + '/@grafana/schema';
const version = read(types + '/package.json').version;
const overlay = readFileSync('deploy/compose.monitoring.yml', 'utf8');
if (!overlay.includes(`image: grafana/grafana:${version}\n`)) {
  throw new Error(`deploy/compose.monitoring.yml runs another Grafana than ${version}`);
}

const validators = new Map();
function check(where, file, type, value) {
  const key = file + type;
  if (!validators.has(key)) {
    const path = `${types}/dist/types/raw/${file}/x/types.gen.d.ts`;
    const schema = createGenerator({ path, type, skipTypeCheck: true }).createSchema(type);
    validators.set(key, new Ajv({ strict: false, allErrors: true }).compile(schema));
  }
  const valid = validators.get(key);
  if (!valid(value)) {
    for (const e of valid.errors) console.error(`${where}${e.instancePath}: ${e.message} ${JSON.stringify(e.params)}`);
    process.exitCode = 1;
  }
}

const dashboard = read('deploy/grafana/dashboard.json');
check('dashboard', 'dashboard', 'Dashboard', dashboard);
for (const panel of dashboard.panels.filter((p) => p.type !== 'row')) {
  const where = `panel ${panel.id} (${panel.title})`;
  const file = `composable/${panel.type}/panelcfg`;
  check(`${where} options`, file, 'Options', panel.options);
  if (panel.fieldConfig.defaults.custom) check(`${where} custom`, file, 'FieldConfig', panel.fieldConfig.defaults.custom);
}
if (!process.exitCode) console.log(`dashboard: as Grafana ${version} has it`);
