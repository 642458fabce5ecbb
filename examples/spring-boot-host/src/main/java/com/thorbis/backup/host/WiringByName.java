package com.thorbis.backup.host;

import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.spi.ProviderLoader;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Profile;

/** Everything is named in {@code application.yml}, and found on the class path by its name. */
@Configuration(proxyBeanMethods = false)
@Profile("!beans")
class WiringByName {
  /** Contacts nobody yet. Closed with the context, and with it what it opened. */
  @Bean
  ThorbisBackup thorbis(BackupProperties properties) {
    ThorbisBackup.Builder thorbis =
        ThorbisBackup.builder()
            .providers(ProviderLoader.serviceLoader(WiringByName.class.getClassLoader()))
            .stateDirectory(properties.stateDirectory())
            .acceptSingleKeyRisk(properties.acceptSingleKeyRisk())
            .source(properties.source(), "postgres", properties.settings());
    properties.copies().forEach(copy -> thorbis.copy(copy.uri(), copy.settings()));
    properties.recipients().forEach(key -> thorbis.recipient(key.uri(), key.settings()));
    return thorbis.build();
  }
}
