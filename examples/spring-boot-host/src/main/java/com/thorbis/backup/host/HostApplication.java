package com.thorbis.backup.host;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.context.properties.ConfigurationPropertiesScan;
import org.springframework.scheduling.annotation.EnableScheduling;

/** The service. What it does for its users is left out: only how it is protected is here. */
@SpringBootApplication
@ConfigurationPropertiesScan
@EnableScheduling
public class HostApplication {
  /** Runs until it is told to end. */
  public static void main(String[] args) {
    SpringApplication.run(HostApplication.class, args);
  }
}
