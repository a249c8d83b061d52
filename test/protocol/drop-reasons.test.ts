import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { coreDropReasons } from '../../agent/server/core-events.ts';
import { intakeDropReasons } from '../../agent/server/intake.ts';
import { linkDropReasons } from '../../agent/server/links.ts';
import { connectionDropReasons } from '../../agent/server/listener.ts';
import { dialReasons } from '../../tls/dialing.ts';
import { announcementDropReasons } from '../../protocol/announcements.ts';
import { certificateDropReasons, trustProblems } from '../../protocol/trust.ts';

const page = readFileSync(path.join(import.meta.dirname, '../../docs/protocol.md'), 'utf8');

function reasonsUnder(heading: string): readonly string[] {
  const [, section = ''] = page.split(`\n### ${heading}\n`);
  const [table = ''] = section.split(/\n##/);
  return [...table.matchAll(/^\| `([a-z-]+)`/gm)].map(([, reason = '']) => reason).sort();
}

function own(...lists: readonly (readonly string[])[]): readonly string[] {
  const certificate: readonly string[] = certificateDropReasons;
  return [...new Set(lists.flat().filter((reason) => !certificate.includes(reason)))].sort();
}

describe('docs/protocol.md describes exactly the reasons', () => {
  it('of certificates', () => {
    expect(reasonsUnder('Certificates')).toEqual([...certificateDropReasons].sort());
  });

  it('of announcements', () => {
    const reasons = own(announcementDropReasons, intakeDropReasons, coreDropReasons);
    expect(reasonsUnder('Announcements')).toEqual(reasons);
  });

  it('of connections and calls', () => {
    const reasons = own(connectionDropReasons, dialReasons, linkDropReasons);
    expect(reasonsUnder('Connections and calls')).toEqual(reasons);
  });

  it('of trust sets', () => {
    expect(reasonsUnder('Trust sets')).toEqual([...trustProblems].sort());
  });
});
