package com.thorbis.backup.cli;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaCall;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.properties.HasName;
import com.tngtech.archunit.core.domain.properties.HasOwner;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.library.GeneralCodingRules;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;

/** Which way the arrows point. This module is the one that has all others on its class path. */
@AnalyzeClasses(
    packages = "com.thorbis.backup",
    importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {
  private static final String[] API = {
    "com.thorbis.backup.api..", "com.thorbis.backup.spi..", "java..", "javax..", "org.jspecify.."
  };
  private static final String FILESYSTEM = "com.thorbis.backup.storage.filesystem..";
  private static final DescribedPredicate<JavaClass> STORAGE_CORE =
      resideInAPackage("com.thorbis.backup.storage..")
          .and(not(resideInAPackage(FILESYSTEM)))
          .as("storage core");
  private static final DescribedPredicate<JavaClass> LIBRARIES =
      resideInAnyPackage(
              "com.thorbis.backup.api..",
              "com.thorbis.backup.spi..",
              "com.thorbis.backup.crypto..",
              "com.thorbis.backup.storage..",
              "com.thorbis.backup.postgres..",
              "com.thorbis.backup.application..",
              "com.thorbis.backup.dr..")
          .as("libraries");

  @ArchTest
  static final ArchRule apiNeedsTheJdkAlone =
      classes()
          .that()
          .resideInAnyPackage("com.thorbis.backup.api..", "com.thorbis.backup.spi..")
          .should()
          .onlyDependOnClassesThat()
          .resideInAnyPackage(API);

  @ArchTest
  static final ArchRule storesKnowTheApiAlone =
      classes()
          .that()
          .resideInAPackage(FILESYSTEM)
          .should()
          .onlyDependOnClassesThat(resideInAnyPackage(API).or(resideInAPackage(FILESYSTEM)));

  @ArchTest
  static final ArchRule cryptoKnowsTheApiAndItsProvider =
      classes()
          .that()
          .resideInAPackage("com.thorbis.backup.crypto..")
          .should()
          .onlyDependOnClassesThat(
              resideInAnyPackage(API)
                  .or(
                      resideInAnyPackage(
                          "com.thorbis.backup.crypto..", "org.bouncycastle..", "org.slf4j..")));

  @ArchTest
  static final ArchRule storageCoreKnowsApiAndCrypto =
      classes()
          .that(STORAGE_CORE)
          .should()
          .onlyDependOnClassesThat(
              resideInAnyPackage(API)
                  .or(STORAGE_CORE)
                  .or(
                      resideInAnyPackage(
                          "com.thorbis.backup.crypto..",
                          "com.fasterxml.jackson.core..",
                          "com.github.luben.zstd..",
                          "net.jpountz..",
                          "net.openhft.hashing..",
                          "org.slf4j..")));

  @ArchTest
  static final ArchRule postgresNeverSeesAStoreAKeyOrTheFormat =
      classes()
          .that()
          .resideInAPackage("com.thorbis.backup.postgres..")
          .should()
          .onlyDependOnClassesThat(
              resideInAnyPackage(API)
                  .or(
                      resideInAnyPackage(
                          "com.thorbis.backup.postgres..",
                          "com.fasterxml.jackson.core..",
                          "com.ongres..",
                          "org.postgresql..",
                          "org.slf4j..")));

  @ArchTest
  static final ArchRule orchestrationKnowsTheApiYamlAndJson =
      classes()
          .that()
          .resideInAPackage("com.thorbis.backup.dr..")
          .should()
          .onlyDependOnClassesThat(
              resideInAnyPackage(API)
                  .or(
                      resideInAnyPackage(
                          "com.thorbis.backup.dr..",
                          "com.fasterxml.jackson.core..",
                          // What is lost in a simulated failure serves HTTP.
                          "com.sun.net.httpserver..",
                          "org.snakeyaml.engine..")));

  @ArchTest
  static final ArchRule applicationsNeverSeeAStoreOrADatabase =
      classes()
          .that()
          .resideInAPackage("com.thorbis.backup.application..")
          .should()
          .onlyDependOnClassesThat(
              resideInAnyPackage(API)
                  .or(
                      resideInAnyPackage(
                          "com.thorbis.backup.application..",
                          "com.thorbis.backup.crypto..",
                          "com.fasterxml.jackson.core..",
                          "org.apache.sshd..",
                          "org.bouncycastle..",
                          "org.eclipse.jgit..",
                          "org.slf4j..")));

  @ArchTest
  static final ArchRule platformsKnowNothingOfSets =
      noClasses()
          .that()
          .resideInAPackage("com.thorbis.backup.application.platform..")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("com.thorbis.backup.application.secrets..");

  @ArchTest
  static final ArchRule theCommandKnowsTheApiAndRecoveryKeys =
      noClasses()
          .that()
          .resideInAPackage("com.thorbis.backup.cli..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(
              "com.thorbis.backup.crypto.internal..",
              "com.thorbis.backup.storage..",
              "com.thorbis.backup.postgres..");

  @ArchTest
  static final ArchRule nobodyNeedsTheCommandOrTheTestkit =
      noClasses()
          .that(LIBRARIES)
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("com.thorbis.backup.cli..", "com.thorbis.backup.testkit..");

  @ArchTest
  static final ArchRule internalOfStorageStaysThere =
      noClasses()
          .that(not(STORAGE_CORE))
          .should()
          .dependOnClassesThat()
          .resideInAPackage("com.thorbis.backup.storage.internal..");

  @ArchTest
  static final ArchRule internalOfCryptoStaysThere =
      noClasses()
          .that()
          .resideOutsideOfPackage("com.thorbis.backup.crypto..")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("com.thorbis.backup.crypto.internal..");

  @ArchTest
  static final ArchRule librariesDoNotPrint =
      noClasses().that(LIBRARIES).should(GeneralCodingRules.ACCESS_STANDARD_STREAMS);

  @ArchTest
  static final ArchRule librariesLogThroughSlf4j =
      noClasses()
          .that(LIBRARIES)
          .should()
          .dependOnClassesThat()
          .resideInAPackage("java.util.logging..");

  @ArchTest
  static final ArchRule nothingIsSerializedByJava =
      noClasses()
          .should()
          .dependOnClassesThat()
          .belongToAnyOf(ObjectInputStream.class, ObjectOutputStream.class);

  @ArchTest
  static final ArchRule onlyTheServerControlTheClientToolsAndWhatTheHostNamesStartProcesses =
      noClasses()
          .that(LIBRARIES)
          .and()
          .resideOutsideOfPackages(
              "com.thorbis.backup.postgres.server..",
              "com.thorbis.backup.postgres.tools..",
              "com.thorbis.backup.dr.notify..",
              "com.thorbis.backup.dr.simulate..")
          .and()
          // Git's commands over SSH run elsewhere, and are processes to JGit.
          .haveNameNotMatching(
              "com\\.thorbis\\.backup\\.(application\\.secrets\\.CommandProbe|application\\.app\\.SshSessions|dr\\.run\\.BuiltIn|dr\\.internal\\.Program)(\\$.*)?")
          .should()
          .dependOnClassesThat()
          .belongToAnyOf(ProcessBuilder.class, Process.class)
          .orShould()
          .callMethodWhere(
              JavaCall.Predicates.target(
                  DescribedPredicate.and(
                      HasOwner.Predicates.With.owner(HasName.Predicates.name("java.lang.Runtime")),
                      HasName.Predicates.name("exec"))));
}
