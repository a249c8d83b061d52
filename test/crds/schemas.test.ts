import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { cameraClient } from '../../crds/camera-client.ts';
import { homeServer } from '../../crds/home-server.ts';
import { homingApiVersion } from '../../crds/metadata.ts';
import { trustBundle } from '../../crds/trust-bundle.ts';

const serverOf = (spec: object) =>
  homeServer.parse({ apiVersion: homingApiVersion, kind: 'HomeServer', metadata: { name: 'nuc' }, spec })
    .spec;
const clientOf = (spec: object) =>
  cameraClient.parse({
    apiVersion: homingApiVersion,
    kind: 'CameraClient',
    metadata: { name: 'door' },
    spec,
  });

describe('defaults', () => {
  it('are a server with one record sink, room for 16, and no container networks', () => {
    expect(serverOf({})).toEqual({
      max: 16,
      listen: { port: 17_320 },
      announce: {
        enabled: true,
        interval: '10s',
        excludeInterfaces: ['cni*', 'flannel*', 'veth*', 'cali*', 'docker*', 'br-*', 'virbr*'],
      },
      peers: [],
      sinks: [{ name: 'record', record: { keepFree: '2Gi', durability: 'Synced' } }],
      drain: 'OnCordon',
    });
  });

  it('leave a server without sinks where none are asked for', () => {
    expect(serverOf({ sinks: [] }).sinks).toEqual([]);
  });

  it('are a camera in the namespace default that connects first', () => {
    expect(clientOf({ source: { test: {} }, bridge: {}, selection: {} })).toEqual({
      apiVersion: homingApiVersion,
      kind: 'CameraClient',
      metadata: { name: 'door', namespace: 'default' },
      spec: {
        source: { test: { fps: 15, gop: 30 }, media: 'video/mp2t' },
        bridge: { bridgeTimeout: '3s' },
        selection: { mode: 'Best', requires: [], weights: {} },
        handover: { order: 'ConnectFirst', ackTimeout: '1s', cutWait: '10s' },
      },
    });
  });
});

describe('one source for validation and custom resource definitions', () => {
  const kinds = { homeServer, cameraClient, trustBundle };

  it.each(Object.entries(kinds))('carries the rules of %s as CEL beside the schema', (_name, schema) => {
    const rules = collectRules(z.toJSONSchema(schema, { io: 'input' }));
    expect(rules.length).toBeGreaterThan(2);
    for (const { rule, message } of rules) {
      expect(rule).toMatch(/self/);
      expect(message).toMatch(/^[a-zA-Z]/);
    }
  });

  it('keeps the sentences of the API server and of files the same', () => {
    const messages = Object.values(kinds).flatMap((schema) =>
      collectRules(z.toJSONSchema(schema, { io: 'input' })).map(({ message }) => message),
    );
    expect(messages).toContain('exactly one of rtsp, http, rtmp, exec, file, test, native');
    expect(messages).toContain('must hold no user or password: use credentialsRef');
    expect(messages).toContain('holds a private key: put certificates only, and treat that key as leaked');
    expect(messages).toContain('identifier is fixed at creation');
    const { error } = cameraClient.safeParse({
      apiVersion: homingApiVersion,
      kind: 'CameraClient',
      metadata: { name: 'door' },
      spec: { source: { rtsp: { url: 'rtsp://a:b@cam' }, test: {} } },
    });
    const told = error?.issues.map(({ message }) => message) ?? [];
    expect(told).toHaveLength(2);
    expect(messages).toEqual(expect.arrayContaining(told));
  });

  it('keeps list types through optional and default fields', () => {
    const text = JSON.stringify(z.toJSONSchema(homeServer, { io: 'input' }));
    expect(text).toContain('"x-kubernetes-list-type":"set"');
    expect(text).toContain('"x-kubernetes-list-map-keys":["name"]');
  });
});

interface ToldRule {
  readonly rule: string;
  readonly message: string;
}

const toldRules = z.array(z.object({ rule: z.string(), message: z.string() }));

function collectRules(value: unknown): readonly ToldRule[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    name === 'x-kubernetes-validations' ? toldRules.parse(inner) : collectRules(inner),
  );
}
