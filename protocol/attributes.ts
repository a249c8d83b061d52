/** Reads the attributes of one element strictly; the first thing that is wrong is kept and makes all of it wrong. */
import { parseEndpoint, type Endpoint } from './endpoints.ts';
import { isClientId, isServerId, isStreamName, type ClientId, type ServerId } from './identifiers.ts';
import { quote } from './result.ts';
import type { XmlElement } from './xml.ts';

/** Counts (`connected`, `max`, weights) go from 0 to this. */
export const maxCount = 100_000;
const maxFeatures = 32;
/** Further addresses beside the one in `from` or `id`. */
const maxFurtherAddresses = 8;

const featurePattern = /^[a-z0-9.-]{1,32}$/;
const integerPattern = /^(?:0|[1-9][0-9]{0,15})$/;
const base64Pattern = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const wordPattern = /^[A-Za-z-]{1,32}$/;
const noServer: ServerId = 'hcsp:';
const noClient: ClientId = 'ab:';

/** Whether a text is a feature's name: 1 to 32 of `[a-z0-9.-]`. */
function isFeature(text: string): boolean {
  return featurePattern.test(text);
}

/** Each method returns a placeholder where something is wrong; look at `problem` before any value is used. */
export class AttributeReader {
  readonly element: XmlElement;
  /** What is wrong, for a person; undefined while nothing is. */
  problem: string | undefined;

  constructor(element: XmlElement) {
    this.element = element;
  }

  has(name: string): boolean {
    return this.element.attributes.has(name);
  }

  text(name: string): string {
    const value = this.element.attributes.get(name);
    if (value === undefined) this.fail(`${this.element.name} has no ${name}`);
    return value ?? '';
  }

  integer(name: string, limit: number = Number.MAX_SAFE_INTEGER): number {
    return this.#integer(name, this.text(name), limit);
  }

  serverId(name: string): ServerId {
    const text = this.text(name);
    return isServerId(text) ? text : this.fail(`${name} ${quote(text)} is no server identifier`, noServer);
  }

  clientId(name: string): ClientId {
    const text = this.text(name);
    return isClientId(text) ? text : this.fail(`${name} ${quote(text)} is no client identifier`, noClient);
  }

  /** `hcsp:…;ip=ADDRESS:PORT` */
  server(name: string): { readonly id: ServerId; readonly address: Endpoint } {
    const text = this.text(name);
    const [idText = '', place = '', ...more] = text.split(';').map((part) => part.trim());
    const address = parseEndpoint(place.startsWith('ip=') ? place.slice('ip='.length) : '');
    if (isServerId(idText) && address.ok && more.length === 0) return { id: idText, address: address.value };
    return this.fail(`${name} ${quote(text)} is not IDENTIFIER;ip=ADDRESS:PORT`, {
      id: noServer,
      address: { ip: '', port: 0 },
    });
  }

  streamName(name: string): string {
    const text = this.text(name);
    return isStreamName(text) ? text : this.fail(`${name} ${quote(text)} is no stream name`, '');
  }

  /** One of a closed list. */
  choice<Choice extends string>(name: string, choices: readonly [Choice, ...Choice[]]): Choice {
    const text = this.text(name);
    const found = choices.find((choice) => choice === text);
    return found ?? this.fail(`${name} ${quote(text)} is none of ${choices.join(', ')}`, choices[0]);
  }

  /** Features between commas; none where the attribute is empty. Twice the same would count twice in a level. */
  features(name: string): readonly string[] {
    const features = this.#list(name, maxFeatures);
    const wrong = features.find((feature, index) => !isFeature(feature) || features.indexOf(feature) < index);
    return wrong === undefined
      ? features
      : this.fail(`${name}: ${quote(wrong)} is no feature or named twice`, []);
  }

  /** `gpu=4,record=2` */
  weights(name: string): Readonly<Record<string, number>> {
    const weights = new Map<string, number>();
    for (const item of this.#list(name, maxFeatures)) {
      const [feature = '', weight = '', ...more] = item.split('=').map((part) => part.trim());
      if (!isFeature(feature) || weights.has(feature) || more.length > 0) {
        return this.fail(`${name}: ${quote(item)} is not FEATURE=WEIGHT or named twice`, {});
      }
      weights.set(feature, this.#integer(name, weight, maxCount));
    }
    return Object.fromEntries(weights);
  }

  endpoints(name: string): readonly Endpoint[] {
    return this.#list(name, maxFurtherAddresses).map((item) => {
      const endpoint = parseEndpoint(item);
      return endpoint.ok ? endpoint.value : this.fail(`${name}: ${endpoint.detail}`, { ip: '', port: 0 });
    });
  }

  /** A word for logs: letters and hyphens. */
  word(name: string): string {
    const text = this.text(name);
    return wordPattern.test(text) ? text : this.fail(`${name} ${quote(text)} is no word`, '');
  }

  /** The element's text as base64 (RFC 4648 section 4, padded). */
  base64(): string {
    const { text, name } = this.element;
    return text !== '' && base64Pattern.test(text) ? text : this.fail(`${name} holds no base64`, '');
  }

  /** Keeps the first problem and gives the placeholder back. */
  fail(problem: string): void;
  fail<Value>(problem: string, placeholder: Value): Value;
  fail(problem: string, placeholder?: unknown): unknown {
    this.problem ??= problem;
    return placeholder;
  }

  #integer(name: string, text: string, limit: number): number {
    const value = Number(text);
    if (integerPattern.test(text) && value <= limit) return value;
    return this.fail(`${name} ${quote(text)} is no integer from 0 to ${limit}`, 0);
  }

  #list(name: string, limit: number): readonly string[] {
    const text = this.text(name);
    const items = text === '' ? [] : text.split(',', limit + 1).map((item) => item.trim());
    return items.length <= limit ? items : this.fail(`${name} has more than ${limit} items`, []);
  }
}
