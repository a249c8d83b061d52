/** node-forge's ASN.1 by itself: all of node-forge costs 40 ms and 10 MB to load, this 7 ms and 4. */
declare module 'node-forge/lib/asn1.js' {
  import { asn1 } from 'node-forge';
  export = asn1;
}
