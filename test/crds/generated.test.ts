import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderDefinitions } from '../../crds/definitions.ts';

const root = path.join(import.meta.dirname, '../..');

describe.each(['crds/generated', 'charts/homing/files/crds'])('%s', (folder) => {
  it('holds the definitions that the schemas give, and nothing else (npm run crds writes them)', () => {
    const directory = path.join(root, folder);
    const manifests = [...renderDefinitions()];
    if (process.env['UPDATE_CRDS'] === '1') {
      mkdirSync(directory, { recursive: true });
      for (const [file, text] of manifests) writeFileSync(path.join(directory, file), text);
    }
    expect(readdirSync(directory).toSorted()).toEqual(manifests.map(([file]) => file).toSorted());
    for (const [file, text] of manifests) {
      expect(readFileSync(path.join(directory, file), 'utf8')).toBe(text);
    }
  });
});
