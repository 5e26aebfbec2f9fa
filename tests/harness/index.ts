// What test files use: each call gives the file a thing of its own on servers that are shared.
export { dovecot, type Dovecot, type DovecotUser } from './dovecot.ts';
export { eventually } from './eventually.ts';
export { httpSink, type HttpSink, type ReceivedRequest } from './http-sink.ts';
export { smtpSink, type SmtpSink, type CapturedMail } from './smtp-sink.ts';
export { bareEnvironment } from './bare-environment.ts';
export { describeWith } from './available.ts';
export { testDatabase, type TestDatabase } from './database.ts';
export { testTemporal, timeSkipping, type TestTemporal } from './temporal.ts';
export { productLog, startedProduct, type ProductOptions, type RunningProduct } from './product.ts';
