/** Who did it: an API key, an agent named by the caller, a customer's message, or the product's own clockwork. */
export interface Actor {
  readonly type: 'api_key' | 'agent' | 'contact' | 'workflow' | 'ingestion';
  readonly id: string;
}
