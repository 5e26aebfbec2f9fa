import { createPrivateKey, randomUUID, sign } from 'node:crypto';
import { makeSelfSigned } from '../../security/self-signed-certificate.ts';

/** One topic of SNS, with a certificate of its own (https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html). */
export class Topic {
  readonly arn: string;
  readonly certificate: string;
  readonly certificatePath = `/SimpleNotificationService-${randomUUID().replaceAll('-', '')}.pem`;
  readonly #key;
  readonly #version: '1' | '2';
  #token: string | null = null;
  isConfirmed = false;

  constructor(arn: string, version: '1' | '2') {
    const { cert, key } = makeSelfSigned(['sns.amazonaws.com'], { keyType: 'rsa' });
    this.arn = arn;
    this.certificate = cert;
    this.#key = createPrivateKey(key);
    this.#version = version;
  }

  subscription(url: string): object {
    this.#token = randomUUID();
    const query = new URLSearchParams({
      Action: 'ConfirmSubscription',
      TopicArn: this.arn,
      Token: this.#token,
    });
    const words = `You have chosen to subscribe to the topic ${this.arn}.\nTo confirm the subscription, visit the SubscribeURL included in this message.`;
    return this.#signed(url, {
      Message: words,
      MessageId: randomUUID(),
      SubscribeURL: `${url}/?${query.toString()}`,
      Timestamp: new Date().toISOString(),
      Token: this.#token,
      TopicArn: this.arn,
      Type: 'SubscriptionConfirmation',
    });
  }

  confirm(arn: unknown, token: unknown): boolean {
    if (arn !== this.arn || token === null || token !== this.#token) return false;
    this.isConfirmed = true;
    return true;
  }

  notification(url: string, message: object, subject?: string): object {
    return this.#signed(url, {
      Message: JSON.stringify(message),
      MessageId: randomUUID(),
      ...(subject !== undefined && { Subject: subject }),
      Timestamp: new Date().toISOString(),
      TopicArn: this.arn,
      Type: 'Notification',
    });
  }

  /** @param fields in the order in which they are signed: that of their names */
  #signed(url: string, fields: Readonly<Record<string, string>>): object {
    const text = Object.entries(fields)
      .map(([name, value]) => `${name}\n${value}\n`)
      .join('');
    const signature = sign(this.#version === '1' ? 'sha1' : 'sha256', Buffer.from(text), this.#key);
    return {
      ...fields,
      SignatureVersion: this.#version,
      Signature: signature.toString('base64'),
      SigningCertURL: url + this.certificatePath,
    };
  }
}
