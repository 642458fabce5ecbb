package com.thorbis.backup.host;

import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.crypto.KeystoreKeyProvider;
import com.thorbis.backup.crypto.RecoveryKeyProvider;
import com.thorbis.backup.crypto.RecoveryPublicKey;
import com.thorbis.backup.postgres.PostgresEngineFactory;
import com.thorbis.backup.spi.ProviderLoader;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.engine.SourceEngineFactory;
import com.thorbis.backup.spi.repository.RepositoryFactory;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.storage.SealedRepositoryFactory;
import com.thorbis.backup.storage.filesystem.FileSystemObjectStore;
import com.thorbis.backup.storage.s3.S3ObjectStore;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.springframework.beans.factory.ListableBeanFactory;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.boot.autoconfigure.jdbc.DataSourceProperties;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Profile;
import software.amazon.awssdk.retries.DefaultRetryStrategy;
import software.amazon.awssdk.services.s3.S3Client;

/**
 * Everything is a bean of this service: its stores, its keys, its client of S3, and the SDK's own
 * parts, so that nothing is looked up by name. What is a bean here is closed with the context,
 * after what uses it.
 */
@Configuration(proxyBeanMethods = false)
@Profile("beans")
class WiringByBeans {
  @Bean
  ThorbisBackup thorbis(
      BackupProperties properties,
      DataSourceProperties database,
      List<ObjectStore> stores,
      List<KeyProvider> keys,
      ListableBeanFactory beans) {
    Map<String, String> settings = new HashMap<>(properties.settings());
    settings.put("url", database.determineUrl());
    ThorbisBackup.Builder thorbis =
        ThorbisBackup.builder()
            .providers(new Beans(beans))
            .stateDirectory(properties.stateDirectory())
            .acceptSingleKeyRisk(properties.acceptSingleKeyRisk())
            .source(properties.source(), "postgres", settings);
    stores.forEach(thorbis::copy);
    keys.forEach(thorbis::recipient);
    return thorbis.build();
  }

  @Bean
  @ConditionalOnProperty("backup.folder")
  ObjectStore folder(@Value("${backup.folder}") Path folder) throws IOException {
    return FileSystemObjectStore.builder().root(folder).build();
  }

  @Bean
  @ConditionalOnProperty("backup.bucket")
  ObjectStore bucket(S3Client s3, @Value("${backup.bucket}") String bucket) {
    return S3ObjectStore.builder().client(s3).bucket(bucket).prefix("database").build();
  }

  /** Region and credentials are those of the machine. The store repeats what may be repeated. */
  @Bean
  @ConditionalOnProperty("backup.bucket")
  @ConditionalOnMissingBean
  S3Client s3() {
    return S3Client.builder()
        .overrideConfiguration(of -> of.retryStrategy(DefaultRetryStrategy.doNotRetry()))
        .build();
  }

  @Bean
  KeyProvider serviceKey(
      @Value("${backup.keystore.file}") Path file,
      @Value("${backup.keystore.password}") String password)
      throws IOException {
    try (SecretValue secret = SecretValue.ofText(password)) {
      return KeystoreKeyProvider.open(file, secret, "backup");
    }
  }

  /** The other half lies in a safe, for the day when the keystore is gone, too. */
  @Bean
  @ConditionalOnProperty("backup.recovery-key")
  KeyProvider recoveryKey(@Value("${backup.recovery-key}") String publicKey) {
    return RecoveryKeyProvider.ofPublicKey(RecoveryPublicKey.parse(publicKey));
  }

  @Bean
  SourceEngineFactory postgres() {
    return new PostgresEngineFactory();
  }

  @Bean
  RepositoryFactory repositories() {
    return new SealedRepositoryFactory();
  }

  /** Finds the SDK's parts among the beans. */
  private record Beans(ListableBeanFactory beans) implements ProviderLoader {
    @Override
    public <T> List<T> load(Class<T> type, Consumer<Throwable> problems) {
      return beans.getBeanProvider(type).orderedStream().toList();
    }
  }
}
